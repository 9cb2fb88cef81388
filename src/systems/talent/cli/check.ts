/**
 * What a supervisor would find of its plotters on this machine: the one that it is to use is declared, can make what it is to, and its program is there.
 * A program that is missing keeps no supervisor from starting; tasks wait until it is installed. So it is a problem where somebody
 * has said that plotter, and a remark where nobody has, for a machine may be meant to make no plots.
 */

import { closest } from '../../../base/suggestion.js';
import type { CheckedMachine } from '../../../cli/system.js';
import type { Finding } from '../../../node/findings.js';
import type { TalentConfig } from '../config.js';
import { describePlotter, whyNotCompressed } from '../supervisor/plotters/abilities.js';
import { type PlotterDeclaration, whyNoProgram } from '../supervisor/plotters/plotters.js';
import { declaredPlotters } from './supervisor-run.js';

export function findingsOfPlotters(config: TalentConfig, machine: CheckedMachine): readonly Finding[] {
  const declared = declaredPlotters(config);
  const { chosen, own } = inUse(config, declared);
  const { isWrong } = machine;
  // Which one is meant, or what it is, is to be said first.
  const isOpen = isWrong(['supervisor', 'plotter']) || isWrong(['plotters', config.supervisor.plotter]);
  const checked = isOpen ? own : [...chosen, ...own];
  const programs = checked.flatMap((plotter) => {
    const reason = whyNoProgram(plotter, machine.env['PATH'] ?? '');
    if (reason === undefined) return [];
    const isOwn = config.plotters[plotter.name] !== undefined;
    const path = isOwn ? ['plotters', plotter.name, 'argv'] : ['supervisor', 'plotter'];
    const isProblem = chosen.includes(plotter) && machine.isSaid(path);
    const text = isOwn ? reason : `supervisor.plotter is ${plotter.name}, and ${reason}`;
    return [{ path, text, isRemark: !isProblem }];
  });
  if (isOpen) return programs;
  const uncompressed = chosen.flatMap((plotter) => whyNotCompressed(plotter) ?? []);
  return [
    ...(chosen.length === 0 ? [notDeclared(config.supervisor.plotter, declared)] : []),
    ...(isWrong(['supervisor', 'compression']) ? [] : uncompressed).map((text) => ({
      path: ['supervisor', 'compression'],
      text,
    })),
    ...programs,
  ];
}

/** Which versions they are declared for: another one may print what owl does not understand. */
export function whatPlottersAreFor(config: TalentConfig): readonly string[] {
  const { chosen, own } = inUse(config, declaredPlotters(config));
  return [...chosen, ...own].map((plotter) => `plotter ${plotter.name} is for ${describePlotter(plotter)}`);
}

/** The one that makes this machine's plots, none where it is not declared, and the others of the configuration. */
function inUse({ supervisor, plotters }: TalentConfig, declared: readonly PlotterDeclaration[]) {
  const isChosen = ({ name }: PlotterDeclaration) => name === supervisor.plotter;
  return {
    chosen: declared.filter(isChosen),
    own: declared.filter((one) => !isChosen(one) && plotters[one.name] !== undefined),
  };
}

function notDeclared(name: string, declared: readonly PlotterDeclaration[]): Finding {
  const names = declared.map((one) => one.name);
  const meant = closest(name, names);
  const question = meant === undefined ? '' : `; did you mean ${meant}?`;
  return {
    path: ['supervisor', 'plotter'],
    text: `supervisor.plotter is ${name}, which is not declared; there are ${names.join(', ')}${question}`,
  };
}

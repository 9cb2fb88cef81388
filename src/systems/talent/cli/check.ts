/**
 * What a supervisor would find of its plotters on this machine: the one that it is to use is declared and its program is there.
 * A program that is missing keeps no supervisor from starting; tasks wait until it is installed. So it is a problem where somebody
 * has said that plotter, and a remark where nobody has, for a machine may be meant to make no plots.
 */

import { messageOf, OwlError } from '../../../base/errors.js';
import { closest } from '../../../base/suggestion.js';
import type { CheckedMachine } from '../../../cli/system.js';
import type { Finding } from '../../../node/start-check.js';
import type { TalentConfig } from '../config.js';
import { findExecutable, type PlotterDeclaration } from '../supervisor/plotters/plotters.js';
import { declaredPlotters } from './supervisor-run.js';

export function findingsOfPlotters(config: TalentConfig, machine: CheckedMachine): readonly Finding[] {
  const { plotter: name } = config.supervisor;
  const declared = declaredPlotters(config);
  const chosen = declared.find((one) => one.name === name);
  const own = declared.filter((one) => one !== chosen && config.plotters[one.name] !== undefined);
  const programs = [...(chosen === undefined ? [] : [chosen]), ...own].flatMap((plotter) => {
    const reason = whyNotThere(plotter, machine.env['PATH'] ?? '');
    if (reason === undefined) return [];
    const isOwn = config.plotters[plotter.name] !== undefined;
    const path = isOwn ? ['plotters', plotter.name, 'argv'] : ['supervisor', 'plotter'];
    const isProblem = plotter === chosen && machine.isSaid(path);
    return [{ path, text: reason, isRemark: !isProblem }];
  });
  return chosen === undefined ? [notDeclared(name, declared), ...programs] : programs;
}

function notDeclared(name: string, declared: readonly PlotterDeclaration[]): Finding {
  const names = declared.map((one) => one.name);
  const meant = closest(name, names);
  const question = meant === undefined ? '' : `; did you mean ${meant}?`;
  return {
    path: ['supervisor', 'plotter'],
    text: `plotter ${name} is not declared; there are ${names.join(', ')}${question}`,
  };
}

function whyNotThere(plotter: PlotterDeclaration, path: string): string | undefined {
  try {
    findExecutable(plotter, path);
    return undefined;
  } catch (error) {
    if (!(error instanceof OwlError)) throw error;
    return messageOf(error);
  }
}

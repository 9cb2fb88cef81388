/** What is wrong with one plot's record or log keeps no other plot from being reported, nor the rest of its own log. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startLogReceiver } from '../../../../src/systems/talent/log-receiver/log-receiver.js';
import { createParser } from '../../../../src/systems/talent/log-receiver/parsers/index.js';
import { TalentDirectory } from '../../../../src/systems/talent/machine/talent-directory.js';
import { PlotManagerClient } from '../../../../src/systems/talent/wire/plot-manager-client.js';
import { logLines } from '../../../support/log-lines.js';
import { plotsIn } from '../../../support/plots-in.js';
import { createTask, PlayedPlot, untilTask } from '../../../support/plotted.js';
import { readLog } from '../../../support/plotter-logs.js';
import { runTalent } from '../../../support/running-talent.js';

t.test('a damaged record and lines that a parser throws at harm themselves alone', async (t) => {
  const directory = t.testdir();
  const data = join(directory, 'data');
  mkdirSync(data);
  const service = await runTalent(join(directory, 'talent'), { worker_id: 'worker' });
  const talent = new PlotManagerClient({ server: service.address });
  const log = logLines();
  const receiver = startLogReceiver({
    ...{ machine: new TalentDirectory(data), server: service.address, version: 'test', logger: log.logger },
    parserFor: (format) => {
      const parser = createParser(format);
      return {
        feed: (line) => {
          if (line.includes('no parser can read this')) throw new TypeError('nobody foresaw this line');
          return parser.feed(line);
        },
      };
    },
  });
  t.teardown(async () => {
    await receiver.stop();
    talent.close();
    await service.stop();
  });

  const plots: PlayedPlot[] = [];
  for (const id of ['a', 'b']) {
    await createTask(talent, id);
    const plot = new PlayedPlot(data, id, 'chiapos');
    await plot.announce(talent);
    plots.push(plot);
  }
  writeFileSync(plotsIn(data).pathOf({ task_id: 'damaged', attempt: 1 }), '{"task_id":');
  const [first, second] = plots;
  first?.print(Buffer.from('no parser can read this\nno parser can read this either\n'));
  for (const plot of [first, second]) {
    plot?.print(readLog('chiapos'));
    plot?.end({ exit_code: 0 });
  }
  for (const id of ['a', 'b']) {
    const task = await untilTask(talent, id, 'is finished', ({ status }) => status === 'finished');
    t.match(task, { exit_code: 0, plot_details: { progress: 100, wrote: 148 } }, id);
  }
  const told = log.messages('error');
  t.equal(told.filter((message) => message.includes('can not be parsed')).length, 1, 'the lines, once');
  t.equal(told.filter((message) => message === 'a plot can not be reported').length, 1, 'the record, once');
});

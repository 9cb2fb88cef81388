/** Switches: on until somebody switches them off, and off until somebody switches them on. */

import { SWITCH_EVENTS, switchMachine } from '../../../machines/workload/switch.js';
import { checkEveryState } from './state-table.js';

checkEveryState({
  type: { category: 'wl_switch', version: 1, machine: switchMachine, events: SWITCH_EVENTS },
  examples: [
    { type: 'SwitchedOff', data: { switch: 'executor', reason: 'storage is moved', strict: true } },
    { type: 'SwitchSettled', data: { switch: 'executor' } },
    { type: 'SwitchedOn', data: { switch: 'executor' } },
  ],
  given: { on: [], off: ['SwitchedOff'] },
  after: { on: { SwitchedOff: 'off' }, off: { SwitchedOff: 'off', SwitchSettled: 'off', SwitchedOn: 'on' } },
});

#!/usr/bin/env node
/** The executable: owl with the systems that it has. */

import { runProgram } from './program.js';
import { SYSTEMS } from './systems.js';

await runProgram(SYSTEMS, import.meta.url);

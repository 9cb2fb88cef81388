#!/usr/bin/env node
/** owl with one more system. */

import { main, SYSTEMS } from 'owl-fleet/system';
import { tallySystem } from './system.js';

await main([...SYSTEMS, tallySystem], import.meta.url);

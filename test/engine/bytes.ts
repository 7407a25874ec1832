import t from 'tap'
import { makeBytesEngine } from '../../src/engine/bytes.ts'
import { engineConformance } from './conformance.ts'

engineConformance(t, 'bytes', makeBytesEngine, [])
engineConformance(t, 'bytes over streams', (gate, options) => makeBytesEngine(gate, options, 'streams'), [])

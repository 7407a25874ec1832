import t from 'tap'
import { makeBytesEngine } from '../../src/engine/bytes.ts'
import { engineConformance } from './conformance.ts'

engineConformance(t, 'bytes', makeBytesEngine, [])

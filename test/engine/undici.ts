import t from 'tap'
import { makeUndiciEngine } from '../../src/engine/undici.ts'
import { engineConformance } from './conformance.ts'

engineConformance(t, 'undici', makeUndiciEngine, [
  'continue-relayed',
  'expect-relayed',
  'raw-utf8-targets',
  'pipelining-behind-upgrade',
  'head-before-body',
  'target-asterisk',
  'request-trailers',
  'status-line-1.0',
  'unknown-methods',
  'half-closed-1.0',
])

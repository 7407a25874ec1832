// A dialer that asks a challenge, and what a container needs that is to be asked.

import type { Fault } from '../../src/base/errors.ts'
import { demoFunction } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import type { Intake } from '../../src/engine/bytes/intake.ts'
import { type Finding, type JudgedChallenge, type Link, makeDialer, type Reason } from '../../src/engine/dial.ts'
import { FakeClock } from './clock.ts'
import { settled } from './gate.ts'

export const challenge = {
  path: '/ask',
  contentType: 'application/cbor',
  body: Buffer.from('question'),
  maxAnswer: 100,
}

export const credential = await demoCredential(demoFunction())

export const fine: Finding = { accepted: true, until: Number.POSITIVE_INFINITY }

export interface RigOptions {
  readonly weigh?: (answer: string) => Finding
  readonly freshForMs?: number
  /** How long the certificate's judgement takes. */
  readonly judging?: () => Promise<void>
  /** Called before each question. */
  readonly asking?: () => void
}

/** A dialer whose judge accepts every certificate and asks each connection. */
export function rig(
  port: number,
  { weigh = () => fine, freshForMs = 0, judging = async () => {}, asking = () => {} }: RigOptions = {},
) {
  const clock = new FakeClock()
  const refused: (readonly Reason[])[] = []
  const asked: { leaf: Uint8Array; exported: string }[] = []
  const dialer = makeDialer({
    host: '127.0.0.1',
    port,
    clock,
    judge: {
      async judge() {
        await judging()
        return { accepted: true, until: clock.now() + 100 }
      },
      secureContext: () => undefined as never,
      chainToContext: false,
      policyDigest: 'd1',
      collateralGeneration: () => 1,
      challenge(leaf, exported): JudgedChallenge {
        asking()
        asked.push({ leaf, exported: exported(32, 'label', Buffer.from('context')).toString('hex') })
        return { ...challenge, judge: async bytes => weigh(Buffer.from(bytes).toString('latin1')) }
      },
    },
    refused: reasons => refused.push(reasons),
    freshForMs,
  })
  const outcomes: (Link | Fault)[] = []
  const dial = (intake?: Intake): (() => void) => dialer.dial(outcome => outcomes.push(outcome), intake && { intake })
  async function over(n = 1): Promise<void> {
    while (outcomes.length < n) await settled()
  }
  return { clock, dialer, dial, outcomes, over, refused, asked }
}

// The acts about who gets a certificate: nobody from a CA that is locked, the proxy from one that an operator has unlocked,
// and nobody else.

import { probe } from '../visitor.ts'
import { askAs, askers } from './askers.ts'
import { auditOf, handOver, refusedBy, unlock } from './authority.ts'
import { type Cast, certified } from './cast.ts'
import type { Learned, Seen } from './client.ts'

const knativeNames = 'kn-user-default, data-plane.knative.dev'

/** The CA is there and issues nothing, so that the proxy has nothing to show. */
export async function isLocked({ ports, client, proxy, note }: Cast): Promise<void> {
  const { anchors, problem } = await client.ask<Learned>('learn')
  note({
    what: "the client asks the CA for the CA's own certificate",
    want: '1, and its evidence is accepted',
    got: problem ?? `${anchors}, and its evidence is accepted`,
    why: 'judged by measurement before a word was said; a locked CA may be asked, as it has promised nothing yet',
  })
  const { child } = proxy
  await child.until('hear that the CA is locked', () => child.lines.find(line => line.includes('503: locked')))
  const seen = await client.ask<Seen>('ask')
  const { status } = await probe(ports.serving)
  note({
    what: 'the proxy asks it for a certificate',
    want: 'locked: no handshake, 503 to the kubelet',
    got: `locked: ${seen.status === undefined ? 'no handshake' : 'a handshake'}, ${status} to the kubelet`,
    why: 'until an operator has signed for this process of the CA and for its sets, nothing is issued',
  })
}

export async function isUnlocked({ stage, client, note }: Cast): Promise<void> {
  note({
    what: 'an operator unlocks it: postern ca state, ca sign, ca unlock',
    want: 'unlocked',
    got: await unlock(stage),
    why: "the signature is over the CA's key, a nonce of its process, both sets and the time",
  })
  note({
    what: 'the same statement once more',
    want: 'refused by boot',
    got: refusedBy(await handOver(stage)),
    why: 'each counts once, and for one process: a clone of the CA shows another nonce',
  })
  const seen = await certified(client)
  note({
    what: 'the proxy has its certificate, and the client accepts it',
    want: `200 by ${knativeNames}`,
    got: `${seen.status} by ${seen.names}`,
    why: `names for which Knative's activator looks, out of the CA's set; the certificate says: ${seen.organization}`,
  })
}

export async function refusesOthers({ ca, ports, stage, note }: Cast): Promise<void> {
  for (const asker of askers) {
    const before = auditOf(ca).length
    const said = await askAs(asker, ports.ca, stage.policyDigest)
    const rules = said.split(',')
    if (said !== 'a certificate') {
      await ca.until(`write down ${said}`, () =>
        auditOf(ca)
          .slice(before)
          .find(({ event, reasons = [] }) => event === 'refused' && reasons.some(({ rule }) => rules.includes(rule))),
      )
    }
    note({
      what: `the CA is asked by: ${asker.name}`,
      want: `refused by ${asker.rule}`,
      got: said === 'a certificate' ? said : `refused by ${rules.includes(asker.rule) ? asker.rule : said}`,
      why: 'it asks as the proxy does; the rule stands in the answer and in the audit log',
    })
  }
}

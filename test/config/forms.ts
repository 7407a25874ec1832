import t from 'tap'
import { certificates, peerName, spiffeId } from '../../src/config/forms.ts'
import { type Complaint, type Shape, told, unfit } from '../../src/config/shape.ts'
import { chainPem } from '../../src/identity/credential.ts'
import { makeRoot } from '../support/identity.ts'

const pem = chainPem([(await makeRoot()).certificate])

function refusal(shape: Shape<unknown>, value: unknown): string | undefined {
  const complaints: Complaint[] = []
  return shape.read(value, '/x', complaints) === unfit ? complaints.map(told).join() : undefined
}

t.test('certificates: as many as there may be, and each can be read', async t => {
  t.equal(refusal(certificates(1), pem), undefined)
  t.equal(refusal(certificates(2), pem + pem), undefined)
  t.match(refusal(certificates(1), pem + pem), 'want one certificate in PEM')
  t.match(refusal(certificates(2), pem + pem + pem), 'want certificates in PEM')
  t.match(refusal(certificates(1), pem.replace(/MII.*/, 'AAAA')), 'want one certificate')
  t.match(refusal(certificates(1), `${pem}text`), 'want one certificate')
})

t.test('a SPIFFE ID has a path', async t => {
  t.equal(refusal(spiffeId, 'spiffe://c1.example.org/ns/a/svc/b'), undefined)
  t.match(refusal(spiffeId, 'spiffe://c1.example.org'), 'want a SPIFFE ID with a path')
})

t.test('a key of peers begins with a letter', async t => {
  t.same(
    ['app', 'a-1', '1a', 'A'].map(name => peerName.test(name)),
    [true, true, false, false],
  )
})

import { connect } from 'node:net'
import t from 'tap'
import { judgePeer } from '../../src/attest/peer.ts'
import { toHex } from '../../src/base/bytes.ts'
import { demoFunction, demoProxy } from '../../src/demo/enclaves.ts'
import { demoCredential, impostors, startContainer } from '../../src/demo/function.ts'
import { makeRule, trust } from '../support/evidence.ts'
import { ask, until } from '../support/process.ts'
import { exchange, freePort } from '../support/sockets.ts'

const rule = makeRule({
  enclaves: [{ mrenclave: toHex(demoFunction().mrenclave) }],
  refuse: { leafSha256s: [], mrenclave: toHex(demoProxy().mrenclave) },
})

t.test('the function is accepted; each impostor is refused by its rule', async t => {
  const good = await demoCredential(demoFunction())
  t.equal(judgePeer(good.chain[0], rule, trust, Date.now()).accepted, true)
  for (const impostor of impostors) {
    t.test(impostor.name, async t => {
      if (!impostor.credential) {
        t.equal(impostor.rule, 'handshake')
        return
      }
      const { chain } = await impostor.credential()
      t.match(judgePeer(chain[0], rule, trust, Date.now()), { accepted: false, reasons: [{ rule: impostor.rule }] })
    })
  }
})

t.test('it answers over TLS and counts what it sees', async t => {
  const port = await freePort()
  const container = await startContainer(port, await demoCredential(demoFunction()))
  t.teardown(() => container.close())
  t.equal(container.requestBytes(), 0)
  const answer = await ask(port, { path: '/hello?x', tls: true, method: 'POST', body: 'hi' })
  t.match(answer, { status: 200, body: 'hello from the function; you asked for POST /hello?x\n' })
  t.equal(container.requests(), 1)
  t.ok(container.requestBytes() > 'POST /hello?x HTTP/1.1'.length)
  const begun = Date.now()
  await ask(port, { path: '/slow', tls: true })
  t.ok(Date.now() - begun >= 290)
  t.equal(container.requests(), 2)
  let answered = false
  const held = ask(port, { path: '/held', tls: true }).then(answer => {
    answered = true
    return answer
  })
  await until('it is there', () => container.requests() === 3)
  t.match(await ask(port, { tls: true }), { status: 200 })
  t.notOk(answered, 'while it waits')
  container.release()
  t.match(await held, { status: 200 })
  t.match(await ask(port, { path: '/held', tls: true }), { status: 200 }, 'and nobody waits any more')
  const before = container.requestBytes()
  await exchange(port, 'GET / HTTP/1.1\r\n\r\n').catch(() => '')
  t.equal(container.requestBytes(), before, 'what is no TLS never gets that far')
})

t.test('without a credential it is a plain server, for which a greeting is no request', async t => {
  const port = await freePort()
  const container = await startContainer(port, undefined)
  t.match(await ask(port), { status: 200, body: /hello from the function/ })
  const before = container.requestBytes()
  t.ok(before > 0)
  await t.rejects(ask(port, { tls: true }))
  t.equal(container.requestBytes(), before)
  t.equal(container.requests(), 1)
  const kept = connect(port, '127.0.0.1')
  kept.on('error', () => {})
  await until('a connection', () => !kept.connecting)
  await container.close()
  await until('it is closed as well', () => kept.destroyed || kept.readableEnded)
})

t.test('a taken port is an error', async t => {
  const port = await freePort()
  const container = await startContainer(port, undefined)
  t.teardown(() => container.close())
  await t.rejects(startContainer(port, undefined), { code: 'EADDRINUSE' })
})

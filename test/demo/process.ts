import { createServer } from 'node:net'
import t from 'tap'
import { demoFunction, demoStranger } from '../../src/demo/enclaves.ts'
import { demoCredential, startContainer } from '../../src/demo/function.ts'
import { startProxyProcess } from '../../src/demo/process.ts'
import { ask, choosePorts, until } from '../support/process.ts'
import { listen } from '../support/sockets.ts'

const settings = { policy: 'demo', concurrency: 2 }

t.test('it becomes ready behind a container that it accepts, and remembers whom it refused', async t => {
  const chosen = await choosePorts()
  const good = await startContainer(chosen.user, await demoCredential(demoFunction()))
  const proxy = startProxyProcess(chosen, settings)
  t.teardown(() => proxy.stop())
  await proxy.ready()
  t.match(await ask(chosen.tls, { tls: true }), { status: 200, body: /hello from the function/ })
  const before = proxy.refusals().length
  await good.close()
  const stranger = await startContainer(chosen.user, await demoCredential(demoStranger()))
  t.teardown(() => stranger.close())
  t.match(await ask(chosen.tls, { tls: true }), { status: 502 })
  await until('the refusal is told', () => proxy.refusals().length > before)
  t.same(proxy.refusals().at(-1), ['mrenclave'])
  await proxy.stop()
  await t.rejects(ask(chosen.serving), { code: 'ECONNREFUSED' })
})

t.test('a proxy that does not start is told with what it said', async t => {
  const taken = await listen(t, createServer())
  const proxy = startProxyProcess({ ...(await choosePorts()), serving: taken }, settings)
  t.teardown(() => proxy.stop())
  await t.rejects(proxy.ready(), {
    code: 'internal',
    message: new RegExp(`^the proxy did not become ready: listen tcp :${taken}: bind: address already in use`),
  })
})

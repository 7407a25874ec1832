// Who is not accepted as the container hears nothing of any request, from the process as it runs in a pod.

import t from 'tap'
import { demoFunction, demoStranger } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { bytesOf, startContainer } from '../support/engine-containers.ts'
import { ask, choosePorts, environment, start, stopAtOnce, until } from '../support/process.ts'

t.test('a stranger in the place of the container gets zero bytes, the container itself gets the request', async t => {
  const ports = await choosePorts()
  const proxy = start(t, ['proxy', '--policy', 'demo'], { env: environment(ports) })
  await until('the TLS port answers', () => proxy.stdout().includes('certificate installed'))

  const stranger = await startContainer(ports.user, await demoCredential(demoStranger()))
  const refused = await ask(ports.tls, { tls: true, path: '/secret' })
  t.match(refused, { status: 502, body: /mrenclave/ })
  t.ok(stranger.connections() > 0, 'it was called')
  t.equal(bytesOf(stranger), 0)
  await stranger.close()

  const container = await startContainer(ports.user, await demoCredential(demoFunction()))
  t.teardown(() => container.close())
  t.match(await ask(ports.tls, { tls: true, path: '/secret' }), { status: 200, body: 'hello' })
  t.match(container.heard.join(''), /^GET \/secret HTTP\/1\.1\r\n/)
  await stopAtOnce(proxy)
})

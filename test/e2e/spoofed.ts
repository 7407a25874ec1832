// What a gateway or a mesh says about a request in fields is the host's word, however it is spelled. No field makes a
// stranger acceptable, opens the plain port, or tells the container who calls.

import t from 'tap'
import { demoFunction, demoStranger } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { bytesOf, startContainer } from '../support/engine-containers.ts'
import { ask, choosePorts, environment, start, stopAtOnce, until } from '../support/process.ts'

const certificate = 'By=spiffe://cluster.local/ns/a/sa/b;Hash=00;URI=spiffe://cluster.local/ns/istio-system/sa/gateway'

/** What a mesh, an ingress or Knative's own parts set, each as somebody else may set it. */
const spoofed: readonly (readonly [name: string, value: string])[] = [
  ['X-Forwarded-Client-Cert', certificate],
  ['x_forwarded_client_cert', certificate],
  ['Client-Cert', ':AAAA:'],
  ['Client-Cert-Chain', ':AAAA:'],
  ['X-Envoy-Peer-Metadata', 'AAAA'],
  ['X-Envoy-Original-Dst-Host', '169.254.169.254:80'],
  ['X-Forwarded-Proto', 'https'],
  ['X-Forwarded-Host', 'other.example'],
  ['Forwarded', 'for=127.0.0.1;proto=https'],
  ['K-Proxy-Request', 'activator'],
  ['K-Original-Host', 'other.example'],
  ['K-Passthrough-Lb', 'true'],
  ['Knative-Serving-Revision', 'other-00001'],
  ['Knative-Serving-Namespace', 'kube-system'],
  ['User-Agent', 'kube-probe/1.34'],
]
const all = Object.fromEntries(spoofed)

t.test('spoofed fields move no trust', async t => {
  const ports = await choosePorts()
  const proxy = start(t, ['proxy', '--policy', 'demo'], { env: environment(ports) })
  await until('the TLS port answers', () => proxy.stdout().includes('certificate installed'))
  const { 'User-Agent': _, ...traffic } = all

  const stranger = await startContainer(ports.user, await demoCredential(demoStranger()))
  for (const [name, value] of [...Object.entries(traffic), ...Object.entries({ 'K-Kubelet-Probe': '1' })]) {
    const answer = await ask(ports.tls, { tls: true, path: '/secret', headers: { [name]: value } })
    t.equal(answer.status, 502, `${name}: a stranger stays one`)
  }
  t.equal((await ask(ports.tls, { tls: true, path: '/secret', headers: traffic })).status, 502)
  t.equal(bytesOf(stranger), 0, 'and hears nothing')
  await stranger.close()

  const container = await startContainer(ports.user, await demoCredential(demoFunction()))
  t.teardown(() => container.close())
  for (const headers of [traffic, { ...traffic, 'K-Kubelet-Probe': '1' }]) {
    const plain = await ask(ports.serving, { path: '/secret', headers })
    t.equal(plain.status, 421, 'the plain port stays shut')
  }
  t.equal(bytesOf(container), 0)

  t.equal((await ask(ports.tls, { tls: true, path: '/secret', headers: traffic })).status, 200)
  const heard = container.heard.join('').toLowerCase()
  t.match(heard, 'get /secret')
  for (const name of ['client-cert', 'client_cert', 'k-original-host', 'knative-serving-revision']) {
    t.notMatch(heard, name, `${name} ends here`)
  }
  await stopAtOnce(proxy)
})

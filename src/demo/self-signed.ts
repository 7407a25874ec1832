// The tour of a proxy that makes its own certificate: a function with evidence, the real proxy as a process of its own, an
// ingress before it and an autoscaler beside it; real requests through all of them, and everybody whom the proxy must refuse
// in the function's place.

import { type Watcher, watchAutoscaler } from './autoscaler.ts'
import { demoFunction } from './enclaves.ts'
import { type Container, demoCredential, impostors, startContainer } from './function.ts'
import { startIngress } from './ingress.ts'
import { type ProxyProcess, proxyPorts, startProxyProcess } from './process.ts'
import type { Row } from './table.ts'
import type { Scene, Tour } from './tour.ts'
import { ask, burst, probe, Visitor } from './visitor.ts'

const portNames = ['ingress', ...proxyPorts] as const
type Port = (typeof portNames)[number]
type Ports = Scene<Port>['ports']

/** With the limit that the demo sets, 2 work and 20 wait. */
const limit = 2
const capacity = limit * 11
const burstSize = 40

/** How long something that must happen may take on a busy machine. */
const patienceMs = 10_000

export const selfSignedTour: Tour<Port> = {
  ports: portNames,
  async play({ ports, note, defer }) {
    const credential = await demoCredential(demoFunction())
    let container = await startContainer(ports.user, credential)
    defer(() => container.close())
    const proxy = startProxyProcess(ports, { policy: 'demo', concurrency: limit })
    defer(() => proxy.stop())
    const ingress = await startIngress(ports.ingress, ports.tls, credential)
    defer(() => closeIngress(ingress))
    const autoscaler = watchAutoscaler(ports.autoscaler)
    defer(() => autoscaler.stop())
    await proxy.ready()

    await goodTraffic(ports, container, note)
    for (const impostor of impostors) {
      await container.close()
      container = await startContainer(ports.user, await impostor.credential?.())
      note(await impostorRow(ports, proxy, container, impostor.name, impostor.rule))
    }
    await container.close()
    container = await startContainer(ports.user, credential)
    const back = await ask(ports.ingress, '/back')
    note({
      what: 'the function is back',
      want: '200',
      got: String(back.status),
      why: 'judged anew on a new connection',
    })
    note(await autoscalerRow(autoscaler))
    return { commands: commands(ports) }
  },
}

async function goodTraffic(ports: Ports, container: Container, note: (row: Row) => void): Promise<void> {
  const ready = await probe(ports.serving)
  note({
    what: 'kubelet probes the plain port',
    want: '200 queue',
    got: `${ready.status} ${ready.body}`,
    why: 'the function answered a handshake and its evidence was accepted',
  })
  const plain = await ask(ports.serving, '/', { plain: true })
  note({
    what: 'a request on the plain port',
    want: '421',
    got: String(plain.status),
    why: 'the policy lets plaintext ports answer probes only',
  })
  const visitor = new Visitor(ports.ingress)
  const statuses = await visitor.many('/hello', 50)
  visitor.close()
  note({
    what: '50 requests, one connection, through ingress and proxy',
    want: '50 x 200, 50 seen by the function',
    got: `${statuses.filter(status => status === 200).length} x 200, ${container.requests()} seen by the function`,
    why: `each went over TLS 1.3 to the verified function: ${container.requestBytes()} bytes of requests`,
  })
  // Who works is held until everybody for whom there is no place was turned away: no slot is free in between.
  let away = 0
  const tired = setTimeout(() => container.release(), patienceMs)
  const served = await burst(ports.ingress, '/held', burstSize, status => {
    if (status === 503 && ++away === burstSize - capacity) container.release()
  })
  clearTimeout(tired)
  note({
    what: `a burst of ${burstSize} at once`,
    want: `${capacity} x 200, ${burstSize - capacity} x 503`,
    got: `${served.get(200) ?? 0} x 200, ${served.get(503) ?? 0} x 503`,
    why: `the limit is ${limit}: ${limit} work, ${limit * 10} wait, the rest is turned away`,
  })
}

async function impostorRow(
  ports: Ports,
  proxy: ProxyProcess,
  container: Container,
  name: string,
  rule: string,
): Promise<Row> {
  const before = proxy.refusals().length
  const answer = await ask(ports.ingress, '/secret')
  // The proxy tells in its log, which may come a little later than the answer.
  const until = Date.now() + patienceMs
  while (proxy.refusals().length === before && Date.now() < until) await new Promise(resolve => setTimeout(resolve, 10))
  const rules = proxy.refusals().slice(before).flat()
  return {
    what: `in the function's place: ${name}`,
    want: `502, refused by ${rule}, 0 bytes`,
    got: `${answer.status}, refused by ${rules.includes(rule) ? rule : rules.join(' ') || 'nobody'}, ${container.requestBytes()} bytes`,
    why: answer.body.trim(),
  }
}

async function autoscalerRow(autoscaler: Watcher): Promise<Row> {
  // The proxy's first second has no window yet.
  for (let i = 0; i < 50 && !autoscaler.latest()?.uptimeSeconds; i++)
    await new Promise(resolve => setTimeout(resolve, 100))
  const seen = autoscaler.latest()
  const { concurrency, requestsPerSecond } = autoscaler.peak()
  return {
    what: "the autoscaler's view of 9090",
    want: 'a Stat of this pod',
    got: seen?.pod === 'demo-pod' && seen.uptimeSeconds > 0 ? 'a Stat of this pod' : 'none',
    why: `at most ${concurrency.toFixed(1)} at once and ${requestsPerSecond} requests/s; up ${seen?.uptimeSeconds.toFixed(0)} s`,
  }
}

function closeIngress(server: { closeAllConnections(): void; close(done: () => void): unknown }): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

function commands(ports: Ports): string[] {
  return [
    `curl -k https://127.0.0.1:${ports.ingress}/hello                        # ingress -> proxy -> function`,
    `curl -k https://127.0.0.1:${ports.tls}/hello                        # straight to the proxy's TLS port`,
    `curl -i http://127.0.0.1:${ports.serving}/hello                         # plaintext: 421`,
    `curl -A kube-probe/1.34 -H 'K-Network-Probe: queue' http://127.0.0.1:${ports.serving}/`,
    `curl -s http://127.0.0.1:${ports.autoscaler}/metrics | od -c | head              # the autoscaler's protobuf`,
    `curl -s http://127.0.0.1:${ports.metrics}/metrics | grep postern_           # Prometheus`,
    `openssl s_client -connect 127.0.0.1:${ports.tls} </dev/null 2>/dev/null | openssl x509 -noout -text | head -40`,
  ]
}

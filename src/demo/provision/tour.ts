// The tour of a proxy with certificates of the attesting CA: CA, proxy, function and client are processes that trust nothing
// but measurements. The CA is unlocked as an operator does it, certificates end after seconds and are renewed under load, and
// the CA goes away and comes back.

import { proxyPorts, startProxyProcess } from '../process.ts'
import type { Tour } from '../tour.ts'
import { startAuthority, stopAuthority } from './authority.ts'
import type { Cast, Port } from './cast.ts'
import { clientModule } from './client.ts'
import { functionModule } from './container.ts'
import { type Part, startPart } from './conversation.ts'
import { isLocked, isUnlocked, refusesOthers } from './issuance.ts'
import { comesBack, goesAway } from './outage.ts'
import { drains, rotates } from './service.ts'
import { service, setStage } from './stage.ts'

export const provisionTour: Tour<Port> = {
  ports: [...proxyPorts, 'ca', 'side'],
  async play(scene) {
    const { ports, defer } = scene
    const stage = setStage(ports.ca)
    defer(stage.remove)
    const part = (name: string, url: string, ...args: string[]): Part => {
      const started = startPart(name, url, args)
      defer(() => started.leave())
      return started
    }
    const container = part('function', functionModule, `${ports.user}`, service)
    const client = part('client', clientModule, `${ports.tls}`, stage.file('policy.json'))
    const ca = await startAuthority(stage, ports)
    const proxy = startProxyProcess(ports, { policy: stage.file('policy.json'), concurrency: 0 })
    const cast: Cast = { ...scene, stage, ca, proxy, container, client }
    defer(() => stopAuthority(cast.ca))
    defer(() => proxy.stop())

    await isLocked(cast)
    await isUnlocked(cast)
    await refusesOthers(cast)
    await rotates(cast)
    await goesAway(cast)
    await comesBack(cast)
    return { commands: commands(cast), leave: () => drains(cast) }
  },
}

function commands({ ports, stage: { file } }: Cast): string[] {
  const policy = `--policy ${file('policy.json')}`
  return [
    `npx postern ca state ${policy}`,
    `npx postern ca bundle ${policy} > ca.crt`,
    `curl --cacert ca.crt --resolve kn-user-default:${ports.tls}:127.0.0.1 https://kn-user-default:${ports.tls}/hello`,
    `openssl s_client -connect 127.0.0.1:${ports.tls} </dev/null 2>/dev/null | openssl x509 -noout -text | head -40`,
    `curl -s http://127.0.0.1:${ports.side}/metrics | grep postern_provision`,
    `curl -s http://127.0.0.1:${ports.metrics}/metrics | grep postern_certificate`,
  ]
}

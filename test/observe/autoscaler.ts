import protobuf from 'protobufjs'
import t from 'tap'
import { encodeStat, type StatWindow, statContentType } from '../../src/observe/autoscaler.ts'

// metrics.Stat as the autoscaler reads it.
const schema = `
  syntax = "proto3";
  package metrics;
  message Stat {
    string pod_name = 1;
    double average_concurrent_requests = 2;
    double average_proxied_concurrent_requests = 3;
    double request_count = 4;
    double proxied_request_count = 5;
    double process_uptime = 6;
    int64 timestamp = 7;
  }`
const Stat = protobuf.parse(schema).root.lookupType('metrics.Stat')

const decode = (bytes: Uint8Array): object => Stat.toObject(Stat.decode(bytes))

const idle: StatWindow = {
  averageConcurrency: 0,
  averageProxiedConcurrency: 0,
  requests: 0,
  proxiedRequests: 0,
  uptimeSeconds: 0,
}
const pod = 'hello-00001-deployment-5f7c-ab'

const table: [name: string, pod: string, window: StatWindow | undefined, expected: object, bytes: number][] = [
  ['before the first window only the pod is told', pod, undefined, { podName: pod }, 32],
  ['zero fields are left out', pod, idle, { podName: pod }, 32],
  ['an empty name is left out as well', '', idle, {}, 0],
  [
    'direct traffic only',
    pod,
    { ...idle, averageConcurrency: 0.25, requests: 3, uptimeSeconds: 17.5 },
    { podName: pod, averageConcurrentRequests: 0.25, requestCount: 3, processUptime: 17.5 },
    59,
  ],
  [
    'every field',
    pod,
    { averageConcurrency: 2.5, averageProxiedConcurrency: 1.5, requests: 4, proxiedRequests: 3, uptimeSeconds: 1 },
    {
      podName: pod,
      averageConcurrentRequests: 2.5,
      averageProxiedConcurrentRequests: 1.5,
      requestCount: 4,
      proxiedRequestCount: 3,
      processUptime: 1,
    },
    77,
  ],
  ['a name of 127 bytes has a length of one byte', 'a'.repeat(127), undefined, { podName: 'a'.repeat(127) }, 129],
  ['a name of 128 bytes has a length of two', 'a'.repeat(128), undefined, { podName: 'a'.repeat(128) }, 131],
  ['a name of 253 bytes, the longest there is', 'a'.repeat(253), undefined, { podName: 'a'.repeat(253) }, 256],
  ['a length counts bytes, not characters', '\u00e9', undefined, { podName: '\u00e9' }, 4],
]
for (const [name, podName, window, expected, length] of table) {
  t.test(name, async t => {
    const bytes = encodeStat(podName, window)
    t.same(decode(bytes), expected)
    t.equal(bytes.length, length)
    t.same(bytes, Buffer.from(Stat.encode(Stat.create(expected)).finish()), 'as another encoder writes it')
  })
}

t.test('the scraper takes exactly this type, and at most 336 bytes', async t => {
  t.equal(statContentType, 'application/protobuf')
  const all = { averageConcurrency: 1, averageProxiedConcurrency: 1, requests: 1, proxiedRequests: 1, uptimeSeconds: 1 }
  t.ok(encodeStat('a'.repeat(253), all).length <= 336)
})

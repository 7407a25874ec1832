// What the processor is asked for: attestation, debug, memory, threads.

import { sizeOf } from '../manifest.ts'
import { type Rule, told, when } from '../rule.ts'

/** Node maps 1.0 to 1.2 GiB before the first request; without EDMM the size must be a power of two. */
const leastStaticBytes = 2 ** 31
/** Node's own with one V8 worker and two of libuv, Gramine's helpers, and some for worker threads. */
const leastStaticThreads = 12

const isOn = (value: unknown): boolean => value === true || (typeof value === 'number' && value > 0)
const powerOfTwo = (bytes: number): boolean => Number.isInteger(Math.log2(bytes))

export const sgxRules: readonly Rule[] = [
  {
    id: 'debug-enclave',
    severity: 'error',
    cure: 'sgx.debug = false; verifiers refuse the DEBUG attribute',
    find: m => when(isOn(m.get('sgx.debug')), 'sgx.debug lets the host read and write the memory of the enclave'),
  },
  {
    id: 'attestation-missing',
    severity: 'error',
    cure: 'sgx.remote_attestation = "dcap"',
    find: m => {
      const kind = m.get('sgx.remote_attestation')
      return when(kind !== 'dcap', `sgx.remote_attestation is ${told(kind)}, so no quote can be made`)
    },
  },
  {
    id: 'exitless',
    severity: 'error',
    cure: 'take it out: calls without exit are open to CVE-2022-21233 and CVE-2022-21166',
    find: m =>
      ['sgx.insecure__rpc_thread_num', 'sgx.rpc_thread_num']
        .filter(key => isOn(m.get(key)))
        .map(key => `${key} is ${told(m.get(key))}`),
  },
  {
    id: 'profiling',
    severity: 'error',
    cure: 'take it out: a profile tells the host what runs inside',
    find: m => {
      const enabled = m.get('sgx.profile.enable') ?? 'none'
      return [
        ...when(enabled !== 'none', `sgx.profile.enable is ${told(enabled)}`),
        ...when(m.get('sgx.vtune_profile') === true, 'sgx.vtune_profile is on'),
      ]
    },
  },
  {
    id: 'statistics',
    severity: 'warning',
    cure: 'sgx.enable_stats = false',
    find: m => when(isOn(m.get('sgx.enable_stats')), 'sgx.enable_stats counts what happens inside for the host'),
  },
  {
    id: 'exinfo-missing',
    severity: 'error',
    cure: 'sgx.use_exinfo = true',
    find: m =>
      when(
        m.get('sgx.edmm_enable') === true && m.get('sgx.use_exinfo') !== true,
        'sgx.edmm_enable without sgx.use_exinfo: the first page that V8 touches late ends the enclave',
      ),
  },
  {
    id: 'enclave-size',
    severity: 'error',
    cure: 'sgx.enclave_size = "2G", or sgx.edmm_enable = true',
    find: m => {
      if (m.get('sgx.edmm_enable') === true) return []
      const size = sizeOf(m.get('sgx.enclave_size') ?? '256M') ?? 0
      const what = `sgx.enclave_size is ${told(m.get('sgx.enclave_size'))}`
      return [
        ...when(size < leastStaticBytes, `${what}; Node maps more than 1 GiB before the first request`),
        ...when(size >= leastStaticBytes && !powerOfTwo(size), `${what}; without EDMM it has to be a power of two`),
      ]
    },
  },
  {
    id: 'threads',
    severity: 'error',
    cure: 'sgx.max_threads = 16',
    find: m => {
      const threads = Number(m.get('sgx.max_threads') ?? 4)
      const few = m.get('sgx.edmm_enable') !== true && threads < leastStaticThreads
      return when(few, `sgx.max_threads is ${threads}; without EDMM no thread above it can be made, and Node ends`)
    },
  },
  {
    id: 'product-unset',
    severity: 'warning',
    cure: 'sgx.isvprodid = a number of its own for each role, from 1',
    find: m =>
      when(
        Number(m.get('sgx.isvprodid') ?? 0) === 0,
        'sgx.isvprodid is 0: who accepts by signer cannot tell this enclave from others of the same key',
      ),
  },
]

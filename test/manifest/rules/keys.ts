import { keyRules } from '../../../src/manifest/rules/keys.ts'
import { testRules } from '../../support/manifest-rules.ts'

testRules(keyRules, [
  ['insecure-key', { 'fs.insecure__keys': { default: 'ff' } }, ['fs.insecure__keys.default is set']],
  ['insecure-key', { 'sgx.insecure__allow_memfaults_without_exinfo': true }, [/^sgx\.insecure__allow_memfaults/]],
  ['insecure-key', { 'sgx.insecure__of_tomorrow': 'yes' }, ['sgx.insecure__of_tomorrow is set']],
  ['insecure-key', { 'sgx.insecure__of_tomorrow': { a: 1 } }, ['sgx.insecure__of_tomorrow is set']],
  [
    'insecure-key',
    { 'sgx.insecure__a': false, 'sgx.insecure__b': 0, 'sgx.insecure__c': '', 'fs.insecure__keys': {} },
    [],
  ],
  ['insecure-key', { 'loader.insecure__use_host_env': true, 'sys.insecure__allow_eventfd': true }, []],
  [
    'key-unknown',
    { 'sgx.thread_num': 4, 'sgx.ra_client_spid': '' },
    ['sgx.thread_num = 4 is no key of a manifest', /^sgx\.ra_client_spid/],
  ],
  ['key-unknown', { 'sgx.rpc_thread_num': 20n }, ['sgx.rpc_thread_num = "20" is no key of a manifest']],
  [
    'key-unknown',
    { network: { a: 1 }, 'sys.stack.growth': 1, 'loader.entrypoint.x': 1 },
    [/^loader\.entrypoint\.x/, /^sys\.stack\.growth/, /^network = /],
  ],
  [
    'key-unknown',
    { 'fs.insecure__keys': { mine: 'ff' }, 'sgx.cpu_features': { avx: 'required' }, 'sys.brk.max_size': '1M' },
    [],
  ],
])

import { sgxRules } from '../../../src/manifest/rules/sgx.ts'
import { testRules } from '../../support/manifest-rules.ts'

const still = { 'sgx.edmm_enable': false, 'sgx.max_threads': 16, 'sgx.enclave_size': '2G' }

testRules(sgxRules, [
  ['debug-enclave', { 'sgx.debug': true }, [/^sgx\.debug lets the host read/]],
  ['debug-enclave', { 'sgx.debug': 1 }, [/^sgx\.debug/]],
  [
    'attestation-missing',
    { 'sgx.remote_attestation': undefined },
    ['sgx.remote_attestation is nothing, so no quote can be made'],
  ],
  ['attestation-missing', { 'sgx.remote_attestation': 'epid' }, [/is "epid"/]],
  ['attestation-missing', { 'sgx.remote_attestation': true }, [/is true/]],
  ['exitless', { 'sgx.insecure__rpc_thread_num': 20 }, ['sgx.insecure__rpc_thread_num is 20']],
  ['exitless', { 'sgx.rpc_thread_num': 20 }, ['sgx.rpc_thread_num is 20']],
  ['exitless', { 'sgx.insecure__rpc_thread_num': 0 }, []],
  [
    'profiling',
    { 'sgx.profile': { enable: 'all' }, 'sgx.vtune_profile': true },
    ['sgx.profile.enable is "all"', 'sgx.vtune_profile is on'],
  ],
  ['profiling', { 'sgx.profile': { enable: 'none' } }, []],
  ['statistics', { 'sgx.enable_stats': true }, [/^sgx\.enable_stats/]],
  ['exinfo-missing', { 'sgx.use_exinfo': undefined }, [/^sgx\.edmm_enable without sgx\.use_exinfo/]],
  ['exinfo-missing', { 'sgx.use_exinfo': undefined, 'sgx.edmm_enable': false }, []],
  ['enclave-size', { ...still, 'sgx.enclave_size': '1G' }, [/^sgx\.enclave_size is "1G"; Node maps/]],
  ['enclave-size', { ...still, 'sgx.enclave_size': undefined }, [/^sgx\.enclave_size is nothing; Node maps/]],
  ['enclave-size', { ...still, 'sgx.enclave_size': 'big' }, [/^sgx\.enclave_size is "big"/]],
  ['enclave-size', { ...still, 'sgx.enclave_size': '3G' }, [/it has to be a power of two$/]],
  ['enclave-size', still, []],
  ['enclave-size', { 'sgx.enclave_size': '1G' }, []],
  ['threads', { ...still, 'sgx.max_threads': undefined }, [/^sgx\.max_threads is 4;/]],
  ['threads', { ...still, 'sgx.max_threads': 8 }, [/^sgx\.max_threads is 8;/]],
  ['threads', still, []],
  ['product-unset', { 'sgx.isvprodid': undefined }, [/^sgx\.isvprodid is 0/]],
])

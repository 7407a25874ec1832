import { sysRules } from '../../../src/manifest/rules/sys.ts'
import { testRules } from '../../support/manifest-rules.ts'

testRules(sysRules, [
  ['sigterm', { 'sys.enable_sigterm_injection': undefined }, [/^SIGTERM does not come in/]],
  ['sigterm', { 'sys.enable_sigterm_injection': false }, [/^SIGTERM/]],
  ['stack-small', { 'sys.stack': undefined }, [/^sys\.stack\.size is nothing/]],
  ['stack-small', { 'sys.stack.size': '512K' }, [/^sys\.stack\.size is "512K"/]],
  ['stack-small', { 'sys.stack.size': 'large' }, [/^sys\.stack\.size is "large"/]],
  ['stack-small', { 'sys.stack.size': '1M' }, []],
  [
    'fd-limit',
    { 'sys.fds': undefined },
    [/^sys\.fds\.limit is 900, and 10000 connections a port need more than 30000/],
  ],
  ['fd-limit', { 'loader.env.POSTERN_MAX_CONNECTIONS': '20000' }, [/^sys\.fds\.limit is 32768, and 20000/]],
  ['fd-limit', { 'sys.fds.limit': 4096, 'loader.env.POSTERN_MAX_CONNECTIONS': '1000' }, []],
  ['eventfd-host', { 'sys.insecure__allow_eventfd': true }, [/^wake-ups go through an eventfd of the host$/]],
  ['subprocesses', { 'sys.disallow_subprocesses': undefined }, ['processes can be started inside']],
  ['names-from-host', { 'sys.enable_extra_runtime_domain_names_conf': true }, [/^resolv\.conf and host name/]],
  ['ioctls', { 'sys.allowed_ioctls': [{ request_code: 1 }] }, [/^sys\.allowed_ioctls/]],
  ['mocked-syscalls', { 'sys.debug__mock_syscalls': [{ name: 'madvise', return: 0 }] }, [/^sys\.debug__mock_syscalls/]],
])

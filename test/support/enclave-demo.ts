// The enclave's role with two things that no enclave has: the synthetic TEE, and a quiet period that a test can choose.
// Bundled by the tests as src/enclave.ts is.

import { demoProxy } from '../../src/demo/enclaves.ts'
import { runEnclave } from '../../src/enclave-role.ts'
import { drainDefaults } from '../../src/gate/drain.ts'

Object.assign(drainDefaults, Reflect.get(globalThis, 'testDrain'))
runEnclave(demoProxy)

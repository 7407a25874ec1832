// The enclave's first file; the bundle is made from here.

import { runEnclave } from './enclave-role.ts'

runEnclave()

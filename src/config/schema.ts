// Prints the policy's JSON Schema: node src/config/schema.ts > src/config/policy.schema.json
// The published file is kept equal to this by a test; the shape in policy-shape.ts is the only source.

import { policySchema } from './policy-shape.ts'

process.stdout.write(`${JSON.stringify(policySchema(), null, 2)}\n`)

// Prints a JSON Schema: node src/config/schema.ts > src/config/policy.schema.json, and with `inject` behind it that of the
// injector's options. The published files are kept equal to this by a test; the shapes are the only source.

import { injectSchema } from './inject-shape.ts'
import { policySchema } from './policy-shape.ts'

const schema = process.argv[2] === 'inject' ? injectSchema() : policySchema()
process.stdout.write(`${JSON.stringify(schema, null, 2)}\n`)

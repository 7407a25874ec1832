// Prints a JSON Schema: node src/config/schema.ts > src/config/policy.schema.json, and with `inject` or `provision`
// behind it that of the injector's options or the attesting CA's. The published files are kept equal to this by a test; the shapes are the only source.

import { injectSchema } from './inject-shape.ts'
import { policySchema } from './policy-shape.ts'
import { provisionSchema } from './provision-shape.ts'

const schemas = new Map([
  ['inject', injectSchema],
  ['provision', provisionSchema],
])
const schema = (schemas.get(process.argv[2] ?? '') ?? policySchema)()
process.stdout.write(`${JSON.stringify(schema, null, 2)}\n`)

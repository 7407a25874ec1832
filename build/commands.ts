// The commands of package.json can be run where they were built: npx starts them by their name. The compiler writes files
// that cannot, and npm sees to it only once.
//
//   node build/commands.ts

import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const { bin }: { bin: Record<string, string> } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
for (const file of Object.values(bin)) chmodSync(join(root, file), 0o755)

// The package as npm packs it, in a folder where nothing else of this repository is: what other projects get to import.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { repository } from './process.ts'

/**
 * Packs what is built and unpacks it as a dependency.
 * @param folder empty; gets `node_modules/postern`
 * @throws Error where nothing is built
 */
export function installPacked(folder: string): void {
  if (!existsSync(join(repository, 'dist/src/function/library.js'))) throw new Error('not built: npm run build')
  const npm = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder]
  const [packed] = JSON.parse(execFileSync('npm', npm, { cwd: repository, encoding: 'utf8', stdio: 'pipe' }))
  const own = join(folder, 'node_modules/postern')
  mkdirSync(own, { recursive: true })
  execFileSync('tar', ['-xzf', join(folder, packed.filename), '--strip-components=1', '-C', own])
  // Its dependencies, without asking a registry.
  symlinkSync(join(repository, 'node_modules'), join(own, 'node_modules'))
}

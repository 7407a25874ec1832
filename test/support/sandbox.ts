// A tree as a container would run it: its own root, read-only, /tmp in memory, user 65532, no capability, no way to gain
// one. Linux's namespaces do it here, with util-linux and coreutils; it takes root, so elsewhere it is said why not.

import { spawnSync } from 'node:child_process'

const script = `
set -eu
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
shift
# tap loads itself into whatever a test starts, from outside of the tree.
unset NODE_OPTIONS
exec "$@"
`

/** What chroot itself needs, as inheritable ones: the bounding set is empty for what it starts. */
const forChroot = ['sys_chroot', 'setuid', 'setgid'].map(name => `+${name}`).join()

/** A command line that runs another one inside a tree. */
export function inside(tree: string, command: readonly string[]): string[] {
  return [
    ...['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sandbox', tree],
    ...['setpriv', `--inh-caps=-all,${forChroot}`, 'setpriv', '--no-new-privs', '--bounding-set=-all'],
    ...['chroot', '--userspec=65532:65532', '--groups=65532', tree, ...command],
  ]
}

/** Why trees cannot be run here; false where they can. */
export function sandboxMissing(): string | false {
  const { status, stderr, error } = spawnSync('unshare', ['--mount', 'setpriv', '--bounding-set=-all', 'true'], {
    encoding: 'utf8',
  })
  if (status === 0 && process.getuid?.() === 0) return false
  return `NOT TESTED: the tree of an image is not run, as it takes root and namespaces (${error?.message ?? (stderr.trim() || 'not root')})`
}

import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Binding, bindingOid, readBinding, writeBinding } from '../../src/attest/binding.ts'
import { readCertificate } from '../../src/attest/certificate.ts'
import { makeLeaf, makeRoot } from '../support/identity.ts'
import { complaint, outcome } from '../support/outcome.ts'

const binding: Binding = {
  role: 'proxy',
  policyDigest: 'ab'.repeat(32),
  tee: 'sgx',
  mrenclave: 'cd'.repeat(32),
  platform: 'ef'.repeat(16),
  serial: 17,
}
const said = `postern/1 role=proxy policy=sha256:${binding.policyDigest} tee=sgx mrenclave=${binding.mrenclave} platform=${binding.platform} serial=17`
const utf8String = (text: string | Uint8Array): Uint8Array => {
  const bytes = Buffer.from(text as string)
  const length = bytes.length < 128 ? [bytes.length] : [0x81, bytes.length]
  return Buffer.concat([Uint8Array.of(0x0c, ...length), bytes])
}
const shown = (value: Uint8Array) => ({ extensions: [{ oid: bindingOid, critical: false, value }] })

t.test('a binding is one line of text, and is read back', async t => {
  t.same(Buffer.from(writeBinding(binding)), Buffer.from(utf8String(said)))
  t.same(readBinding(shown(writeBinding(binding))), binding)
  t.equal(readBinding({ extensions: [] }), undefined)
})

t.test('nothing else is a binding', async t => {
  const bad: [name: string, value: Uint8Array][] = [
    ['nothing', new Uint8Array()],
    ['another version', utf8String(said.replace('/1', '/2'))],
    ['an unknown role', utf8String(said.replace('role=proxy', 'role=root'))],
    ['upper case', utf8String(said.replace('abab', 'ABAB'))],
    ['a field more', utf8String(`${said} admin=yes`)],
    ['a line more', utf8String(`${said}\n`)],
    ['a padded serial', utf8String(said.replace('=17', '=017'))],
    ['a serial of 2^53 or more', utf8String(said.replace('=17', `=${'9'.repeat(16)}`))],
    ['not UTF-8', utf8String(Uint8Array.of(0xff))],
    ['another type', Buffer.concat([Uint8Array.of(0x13), utf8String(said).subarray(1)])],
    ['bytes behind it', Buffer.concat([utf8String(said), Uint8Array.of(0)])],
  ]
  for (const [name, value] of bad) {
    t.equal(
      outcome(() => readBinding(shown(value))),
      'certificate-malformed',
      name,
    )
  }
})

t.test('no field can bring along another', async t => {
  t.match(
    complaint(() => writeBinding({ ...binding, platform: `${binding.platform} serial=99` })),
    /form/,
  )
})

t.test("its identifier is one that OpenSSL and Go's parser take", async t => {
  const root = await makeRoot()
  const der = await makeLeaf(root, { extensions: [{ oid: bindingOid, value: writeBinding(binding) }] })
  t.same(readBinding(readCertificate(der)), binding)
  const folder = t.testdir({})
  const file = join(folder, 'leaf.der')
  writeFileSync(file, der)
  const openssl = spawnSync('openssl', ['x509', '-inform', 'der', '-in', file, '-noout', '-text'], { encoding: 'utf8' })
  if (openssl.error) t.comment('NO OPENSSL: its reading of the identifier was not tested')
  else t.match(openssl.stdout, bindingOid)
  await t.test('Go', async t => {
    const module = join(folder, 'go')
    mkdirSync(module)
    writeFileSync(join(module, 'go.mod'), 'module reads\n\ngo 1.19\n')
    writeFileSync(join(module, 'main.go'), goReader)
    const env = { ...process.env, GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'local', GOCACHE: join(folder, 'cache') }
    const go = spawnSync('go', ['run', '.', file, bindingOid], { cwd: module, env, encoding: 'utf8' })
    if (go.error) {
      t.comment("NO GO: that Go's x509 takes the identifier was not tested")
      return
    }
    t.equal(go.stderr, '')
    t.equal(go.stdout, said)
  })
})

const goReader = `package main

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"os"
)

func main() {
	der, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, each := range leaf.Extensions {
		if each.Id.String() == os.Args[2] {
			var text string
			if _, err := asn1.UnmarshalWithParams(each.Value, &text, "utf8"); err != nil {
				panic(err)
			}
			fmt.Print(text)
		}
	}
}
`

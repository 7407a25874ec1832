// Each rule finds what is planted; that the bundle breaks none is the bundle's own test.

import t from 'tap'
import type { Bundle } from '../../build/budget.ts'
import { broken, rules } from '../../build/rules.ts'

const text = (text: string): Bundle => ({ text, inputs: [{ path: 'src/enclave.ts', bytes: text.length }] })
const from = (...paths: string[]): Bundle => ({ text: '', inputs: paths.map(path => ({ path, bytes: 1 })) })

const shown = ({ text, inputs }: Bundle): string => text || String(inputs[0]?.path)

/** By rule: what breaks it, and what looks like it and does not. */
const planted: Readonly<Record<string, readonly [bad: readonly Bundle[], good: readonly Bundle[]]>> = {
  'packages that were decided on': [
    [
      from('node_modules/undici/index.js'),
      from('node_modules/pkijs/node_modules/lodash/a.js'),
      from('node_modules/@peculiar/webcrypto/a.js'),
    ],
    [from('node_modules/prom-client/lib/counter.js'), from('node_modules/pkijs/node_modules/@noble/hashes/a.js')],
  ],
  'rooms that belong in an enclave': [
    [
      from('src/demo/tee.ts'),
      from('src/cli/args.ts'),
      from('src/engine/undici.ts'),
      from('src/main.ts'),
      from('src/config/policies.ts'),
      from('../elsewhere/a.ts'),
    ],
    [from('src/engine/bytes.ts'), from('src/config/policy.ts')],
  ],
  "Node's modules that work under Gramine": [
    [
      text('require("node:worker_threads")'),
      text('var a=require("dns")'),
      text('process.getBuiltinModule("vm")'),
      text('require(name)'),
    ],
    [text('require("node:net");require("util")')],
  ],
  'no WebAssembly': [[text('new WebAssembly.Memory({initial:1})')], []],
  'no undici': [[text('import_undici.request()'), text('await fetch("http://a")')], [text('this.prefetch(a)')]],
  'no other process': [
    [text('require("node:child_process")'), text('cluster.fork()'), text('new Worker("a.js")')],
    [text('"svc.cluster.local"')],
  ],
  'files are polled, not watched': [
    [text('import_node_fs.watch("a",f)'), text('fs.promises.watch(a)'), text('watch("a",f)')],
    [text('fs.watchFile(a)'), text('this.watched(a)')],
  ],
  'no getrusage': [
    [text('process.cpuUsage()'), text('process.threadCpuUsage()'), text('process.resourceUsage()')],
    [text('process.memoryUsage()')],
  ],
  'no netlink, no accounts': [[text('os.networkInterfaces()'), text('os.userInfo().uid')], []],
  'no memory for others to read': [
    [
      text('process.report.writeReport()'),
      text('v8.writeHeapSnapshot()'),
      text('socket.on("keylog",f)'),
      text('socket.enableTrace()'),
    ],
    [text('report(heap)')],
  ],
  'no type of service': [[text('socket.setTypeOfService(8)')], [text('socket.setNoDelay(!0)')]],
  'no sockets in a file system': [
    [text('request({socketPath:a})'), text('connect({path:"/run/a.sock"})'), text('server.listen({ path })')],
    [text('connect({port:80,host})')],
  ],
  'no code from strings': [
    [text('(0,eval)("1")'), text('eval("1")'), text('new Function("return 1")'), text('new vm.Script("1")')],
    [text('evaluate(1);isFunction(f)')],
  ],
  'no code from files': [
    [text('await import(name)'), text('createRequire(a)'), text('process.dlopen(a)'), text('import.meta.url')],
    [text('this.import(a,b)'), text('import(data,options){return 1}')],
  ],
  'nothing synthetic': [[text('"CN=SYNTHETIC SGX Root CA"')], [text('"SYNTHETIC, NOT ATTESTED"')]],
  'no policy but the file': [
    [text('`{\n  "name": "demo"'), text('\'"name":"compatible"\'')],
    [text('name==="compatible"')],
  ],
  'no place of this machine': [
    [text('"file:///srv/a.ts"'), text('"/home/me/a.ts"'), text('// /root/a.ts'), text('("/tmp/x")')],
    [text('"/var/lib/knative/certs"'), text('/tmpl/.test(a)')],
  ],
}

t.same(
  rules.map(({ name }) => name),
  Object.keys(planted),
  'every rule has something planted',
)

for (const { name, find } of rules) {
  t.test(name, async t => {
    const [bad, good] = planted[name] ?? [[], []]
    for (const bundle of bad) t.ok(find(bundle).length > 0, `found: ${shown(bundle)}`)
    for (const bundle of good) t.same(find(bundle), [], `left alone: ${shown(bundle)}`)
  })
}

t.test('each broken rule is one sentence with what broke it', async t => {
  t.same(broken(text('process.cpuUsage();fetch(a);fetch(b)')), ['no undici: fetch(, fetch(', 'no getrusage: cpuUsage'])
  t.same(broken(text('var a=1')), [])
})

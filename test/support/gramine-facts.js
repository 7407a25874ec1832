// A program in the place of the enclave's: tells, as JSON, what it may and what fails. Run under Gramine it says whether
// the manifest does what it is there for; run natively behind gramine.js it says whether that fails as Gramine does.

const load = process.getBuiltinModule
const fs = load('fs')
const os = load('os')
const net = load('net')

/** What a call gave, or the code (else the name) of why it failed. */
function outcome(call) {
  try {
    const value = call()
    return ['string', 'number', 'boolean'].includes(typeof value) ? value : 'done'
  } catch (error) {
    return error.code ?? error.name
  }
}

function deep() {
  return deep() + 1
}

function nested(depth) {
  let value = []
  for (let i = 0; i < depth; i++) value = [value]
  return value
}

function openMany(count) {
  const files = Array.from({ length: count }, () => fs.openSync('/app/policy.json'))
  for (const file of files) fs.closeSync(file)
  return files.length
}

const lacks = {
  cpuUsage: () => process.cpuUsage(),
  threadCpuUsage: () => process.threadCpuUsage(),
  resourceUsage: () => process.resourceUsage(),
  networkInterfaces: () => os.networkInterfaces(),
  watch: () => fs.watch('/tmp'),
  hostname: () => os.hostname(),
  loadavg: () => os.loadavg().join(),
  availableMemory: () => process.availableMemory(),
  residentIsWhatIsMapped: () => process.memoryUsage().rss > 900_000_000,
  residentSetIsWhatIsMapped: () => process.memoryUsage.rss() > 900_000_000,
  newFunction: () => new Function('return 1')(),
}

const manifest = {
  functionsWithoutEnd: deep,
  jsonWithoutEnd: () => JSON.stringify(nested(1_000_000)),
  uid: () => process.getuid(),
  gid: () => process.getgid(),
  cwd: () => process.cwd(),
  execArgv: () => process.execArgv.join(' '),
  environment: () => Object.keys(process.env).sort().join(' '),
  policy: () => fs.readFileSync('/app/policy.json').length > 0,
  names: () => fs.readFileSync('/etc/hosts', 'utf8'),
  untrusted: () => fs.readFileSync('/app/LICENSE'),
  hostFile: () => fs.readFileSync('/etc/debian_version'),
  hostProgram: () => fs.readFileSync('/bin/sh'),
  mounted: () => fs.readFileSync('/etc/podinfo/labels', 'utf8'),
  notMounted: () => fs.readFileSync('/var/lib/knative/certs/tls.crt'),
  writeProgram: () => fs.writeFileSync('/app/enclave.js', 'other'),
  writeBesideIt: () => fs.writeFileSync('/app/other.js', 'other'),
  writeTmp: () => fs.writeFileSync('/tmp/x', 'x'),
  openMany: () => openMany(5_000),
  child: () => load('child_process').spawnSync('/usr/bin/node').error.code,
  attestation: () => fs.readFileSync('/dev/attestation/attestation_type', 'utf8'),
}

/** Of calls that fail later, in an event. */
function connecting(path) {
  return new Promise(resolve => {
    try {
      net
        .connect(path)
        .on('connect', () => resolve('done'))
        .on('error', error => resolve(error.code))
    } catch (error) {
      resolve(error.code)
    }
  })
}

function typeOfService() {
  return new Promise(resolve => {
    const server = net
      .createServer(socket => socket.destroy())
      .listen(0, '127.0.0.1', () => {
        const socket = net.connect(server.address().port, '127.0.0.1', () => {
          resolve(outcome(() => socket.setTypeOfService(8)))
          socket.destroy()
          server.close()
        })
      })
  })
}

/** Whether the peer of a connection that is reset hears of an error. */
function reset() {
  return new Promise(resolve => {
    const server = net
      .createServer(socket => socket.resetAndDestroy())
      .listen(0, '127.0.0.1', () => {
        const socket = net.connect(server.address().port, '127.0.0.1')
        socket.on('error', error => resolve(error.code))
        socket.on('end', () => resolve('end'))
        socket.on('close', () => server.close())
        socket.resume()
      })
  })
}

const all = calls => Object.fromEntries(Object.entries(calls).map(([name, call]) => [name, outcome(call)]))

Promise.all([connecting('/nonexistent.sock'), typeOfService(), reset()]).then(([hostSocket, service, end]) => {
  const told = { lacks: { ...all(lacks), hostSocket, service, end }, manifest: all(manifest) }
  process.stdout.write(`${JSON.stringify(told)}\n`)
})

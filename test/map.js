// Which source files a test has to cover: its own mirror image, but for those that look at something larger.
const special = {
  'test/architecture.ts': [],
  'test/gate/order.ts': ['src/gate/gate.ts'],
}

export default test => special[test] ?? (test.startsWith('test/e2e/') ? [] : test.replace(/^test/, 'src'))

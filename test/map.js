export default test => test.replace(/^test/, 'src')

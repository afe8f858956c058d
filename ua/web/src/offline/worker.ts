self.addEventListener('install', () => undefined)
export {}

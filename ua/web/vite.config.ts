import { svelte } from '@sveltejs/vite-plugin-svelte'
import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'

// The pages: the app, the frame that messages are shown in, and the service worker, which keeps one name so that browsers find it again.
export default defineConfig({
  plugins: [svelte()],
  resolve: { alias: { '#': resolve(import.meta.dirname, 'src') }, ...(process.env['VITEST'] ? { conditions: ['browser'] } : {}) },
  build: {
    target: 'es2023',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 250,
    rollupOptions: {
      input: { app: 'index.html', worker: 'src/offline/worker.ts' },
      output: {
        entryFileNames: (chunk) => (chunk.name === 'worker' ? 'worker.js' : 'assets/[name]-[hash].js'),
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
  test: { environment: 'jsdom', testTimeout: 30_000, include: ['src/**/*.test.ts'] },
})

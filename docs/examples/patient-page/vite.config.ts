import { defineConfig } from 'vite'

export default defineConfig({
  // So that the page works in any folder of any server.
  base: './',
  build: {
    target: 'es2024',
    // Nothing inline: the Content-Security-Policy lets no such script run.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: { format: 'es' },
})

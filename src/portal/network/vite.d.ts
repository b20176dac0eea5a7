/** What Vite takes and TypeScript does not know. */
declare module '*.css'

export default {
  // Vite moves pre-bundled packages away from their worker and wasm.
  optimizeDeps: { exclude: ["@greloupis/uploader"] },
};

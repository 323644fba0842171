// The page is opened through the front server of run.mjs.
export default { allowedDevOrigins: ["127.0.0.1"] };

// Made by web/build.mjs.
declare module "embedded:*" {
  const text: string;
  export default text;
}

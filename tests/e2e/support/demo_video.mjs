// Demo videos for the screenshots: a sea at sunset, noon and night, computed by ffmpeg, so free of anyone's rights.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { encode, testFolder } from "./files.mjs";

const HORIZON = 0.56;
// Vertical positions from 0 to 1: in the sky down to the horizon, in the sea from there to the shore.
const SKY = `(Y/(${HORIZON}*H))`;
const SEA = `((Y-${HORIZON}*H)/(${1 - HORIZON}*H))`;
const SUN = "(hypot(X-0.64*W,Y-0.47*H)/H)";
// Waves are long and slow near the shore, short towards the horizon.
const WAVES =
  `(sin(X/W*(90-60*${SEA})+sin(Y/H*70+T*1.1)*2+T*0.9)` + `*sin(Y/H*(260-190*${SEA})-T*2.2+sin(X/W*9+T*0.5)))`;
const GLITTER = `exp(-pow((X/W-0.64)/(0.05+0.17*${SEA}),2))*pow(max(0,0.5+0.5*${WAVES}),2.2)`;

/**
 * The expression of one colour channel: sky gradient, sun and its glow, sea gradient, waves, glitter.
 *
 * @param {Record<"top" | "low" | "bend" | "glow" | "far" | "near" | "wave" | "glitter", number>} values
 */
function channel({ top, low, bend, glow, far, near, wave, glitter }) {
  const sky = `${top}+${low - top}*pow(${SKY},${bend})+${glow}*exp(-pow(${SUN}/0.16,2))+90*clip((0.056-${SUN})/0.006,0,1)`;
  const sea = `${far}+${near - far}*${SEA}+${wave}*${WAVES}+${glitter}*${GLITTER}`;
  return `clip(if(lt(Y,${HORIZON}*H),${sky},${sea}),0,255)`.replaceAll(",", "\\,");
}

const RED = channel({ top: 58, low: 250, bend: 1.7, glow: 70, far: 196, near: 14, wave: 9, glitter: 190 });
const GREEN = channel({ top: 92, low: 184, bend: 1.5, glow: 60, far: 158, near: 58, wave: 10, glitter: 140 });
const BLUE = channel({ top: 158, low: 150, bend: 1.2, glow: 20, far: 160, near: 96, wave: 12, glitter: 70 });

/** ffmpeg filters of each time of day. */
const LIGHTS = { sunset: "null", noon: "hue=h=-32:s=0.75", night: "eq=brightness=-0.22:saturation=0.55" };

async function seaClip() {
  const path = join(await testFolder("demo_video"), "sea.mp4");
  if (existsSync(path)) return path;
  // Evaluated per pixel and slow: small and short, then scaled up.
  const source = `nullsrc=size=320x180:rate=15:duration=4,format=gbrp,geq=r='${RED}':g='${GREEN}':b='${BLUE}'`;
  const scaling = "scale=1280:720:flags=bicubic,format=yuv420p";
  await encode(path, ["-f", "lavfi", "-i", `${source},${scaling}`, "-c:v", "libx264", "-crf", "12"]);
  return path;
}

/**
 * The path of a 9 s video; noise makes it some tens of megabytes.
 *
 * @param {keyof typeof LIGHTS} light
 */
export async function demoVideo(light) {
  const path = join(await testFolder("demo_video"), `${light}.mp4`);
  if (existsSync(path)) return path;
  const surf = ["-f", "lavfi", "-i", "anoisesrc=color=brown:amplitude=0.2:duration=9"];
  const video = [
    "-vf",
    `${LIGHTS[light]},scale=1920:1080,noise=alls=4:allf=t`,
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
  ];
  await encode(path, [
    "-stream_loop",
    "3",
    "-i",
    await seaClip(),
    ...surf,
    "-t",
    "9",
    ...video,
    "-b:v",
    "40M",
    "-c:a",
    "aac",
  ]);
  return path;
}

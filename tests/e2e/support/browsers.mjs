// Two browsers with one face: profiles in which pages are opened, files picked, and tabs killed.

import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import puppeteer from "puppeteer-core";
import * as e2e from "./system.mjs";

/** One page. */
class Tab {
  constructor(page) {
    this.page = page;
  }

  evaluate(script, given) {
    return this.page.evaluate(script, given);
  }

  reload() {
    return this.page.reload();
  }
}

class ChromiumTab extends Tab {
  pick(path) {
    // Picked this way a file stays on the disk, however large.
    return this.page.setInputFiles("input", path);
  }

  /** Its process ends at once; no page is asked or told. */
  async kill() {
    const session = await this.page.context().newCDPSession(this.page);
    const crashed = this.page.waitForEvent("crash");
    session.send("Page.crash").catch(() => {});
    await crashed;
    await this.page.close();
  }

  offline(is) {
    return this.page.context().setOffline(is);
  }
}

class FirefoxTab extends Tab {
  async pick(path) {
    const input = await this.page.$("input");
    await input.uploadFile(path);
  }

  /** The whole browser ends at once: a tab can't be reached from outside. */
  async kill() {
    const browser = this.page.browser();
    const gone = new Promise((resolve) => browser.once("disconnected", resolve));
    const exit = once(browser.process(), "exit");
    browser.process().kill("SIGKILL");
    await Promise.all([exit, gone]);
  }
}

export class Chromium {
  name = "Chromium";
  #browser;

  static async start() {
    const chromium = new Chromium();
    chromium.#browser = await e2e.startBrowser();
    return chromium;
  }

  /** A profile that nobody else uses. */
  async profile() {
    const context = await this.#browser.newContext();
    return {
      open: async (url) => {
        const page = await context.newPage();
        await page.goto(url);
        return new ChromiumTab(page);
      },
      close: () => context.close(),
    };
  }

  /** One whose tabs can be killed. */
  lasting = this.profile;

  close() {
    return this.#browser.close();
  }
}

const PREFERENCES = {
  // Several tests run at once, and all their tabs but one are in the background.
  "dom.min_background_timeout_value": 4,
  "dom.timeout.enable_budget_timer_throttling": false,
};

const launch = (userDataDir) =>
  puppeteer.launch({
    browser: "firefox",
    executablePath: e2e.onPath("firefox-esr", "firefox"),
    extraPrefsFirefox: PREFERENCES,
    userDataDir,
  });

const openIn = async (place, url) => {
  const page = await place.newPage();
  await page.goto(url);
  return new FirefoxTab(page);
};

export class Firefox {
  name = "Firefox";
  #browser;
  /** Tabs are opened and closed one after another: a new one is put beside one that must not vanish meanwhile. */
  #turn = Promise.resolve();

  static async start() {
    const firefox = new Firefox();
    firefox.#browser = await launch();
    return firefox;
  }

  async profile() {
    const context = await this.#inTurn(() => this.#browser.createBrowserContext());
    return {
      open: (url) => this.#inTurn(() => openIn(context, url)),
      close: () => this.#inTurn(() => context.close()),
    };
  }

  #inTurn(work) {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** A browser of its own, since killing a tab ends all of it; started again with what was on the disk. */
  async lasting() {
    const folder = await mkdtemp(join(await e2e.folder("profiles"), "firefox-"));
    let browser;
    return {
      open: async (url) => {
        if (!browser?.connected) browser = await launch(folder);
        return openIn(browser, url);
      },
      close: async () => {
        if (browser?.connected) await browser.close();
        await rm(folder, { recursive: true, force: true, maxRetries: 5 });
      },
    };
  }

  close() {
    return this.#browser.close();
  }
}

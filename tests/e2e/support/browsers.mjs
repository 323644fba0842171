// Chromium and Firefox with one interface: profiles, tabs, picking files, killing tabs.

import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import puppeteer from "puppeteer-core";
import * as e2e from "./index.mjs";

class Tab {
  constructor(page) {
    this.page = page;
  }

  evaluate(script, argument) {
    return this.page.evaluate(script, argument);
  }

  reload() {
    return this.page.reload();
  }
}

class ChromiumTab extends Tab {
  pickFile(path) {
    // Files picked this way stay on disk, however large.
    return this.page.setInputFiles("input", path);
  }

  /** Ends the tab's process at once, without `beforeunload` or other events. */
  async kill() {
    const session = await this.page.context().newCDPSession(this.page);
    const crashed = this.page.waitForEvent("crash");
    session.send("Page.crash").catch(() => {});
    await crashed;
    await this.page.close();
  }

  setOffline(offline) {
    return this.page.context().setOffline(offline);
  }
}

class FirefoxTab extends Tab {
  async pickFile(path) {
    const input = await this.page.$("input");
    await input.uploadFile(path);
  }

  /** Kills the whole browser: a single tab's process can't be addressed from outside. */
  async kill() {
    const browser = this.page.browser();
    const disconnected = new Promise((resolve) => browser.once("disconnected", resolve));
    const exit = once(browser.process(), "exit");
    browser.process().kill("SIGKILL");
    await Promise.all([exit, disconnected]);
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

  /** A new profile. */
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

  /** A new profile that survives the killing of its tabs. */
  persistentProfile = this.profile;

  close() {
    return this.#browser.close();
  }
}

const FIREFOX_PREFERENCES = {
  // Several tests run at once, so all tabs but one are in the background: no throttling of their timers.
  "dom.min_background_timeout_value": 4,
  "dom.timeout.enable_budget_timer_throttling": false,
};

const launchFirefox = (userDataDir) =>
  puppeteer.launch({
    browser: "firefox",
    executablePath: e2e.findExecutable("firefox-esr", "firefox"),
    extraPrefsFirefox: FIREFOX_PREFERENCES,
    userDataDir,
  });

const openFirefoxTab = async (context, url) => {
  const page = await context.newPage();
  await page.goto(url);
  return new FirefoxTab(page);
};

export class Firefox {
  name = "Firefox";
  #browser;
  /** Serializes opening and closing of tabs: Firefox opens a tab beside another, which must not close meanwhile. */
  #queue = Promise.resolve();

  static async start() {
    const firefox = new Firefox();
    firefox.#browser = await launchFirefox();
    return firefox;
  }

  async profile() {
    const context = await this.#enqueue(() => this.#browser.createBrowserContext());
    return {
      open: (url) => this.#enqueue(() => openFirefoxTab(context, url)),
      close: () => this.#enqueue(() => context.close()),
    };
  }

  #enqueue(operation) {
    const done = this.#queue.then(operation);
    this.#queue = done.catch(() => {});
    return done;
  }

  /** A browser of its own, as killing a tab ends it; opening a page starts it again on the same profile folder. */
  async persistentProfile() {
    const folder = await mkdtemp(join(await e2e.testFolder("profiles"), "firefox-"));
    let browser;
    return {
      open: async (url) => {
        if (!browser?.connected) browser = await launchFirefox(folder);
        return openFirefoxTab(browser, url);
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

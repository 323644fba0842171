// Chromium and Firefox with one interface: profiles, tabs, picking files, killing tabs.

import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import puppeteer from "puppeteer-core";
import * as e2e from "./index.mjs";

/**
 * @import * as playwright from "playwright-core"
 * @import * as firefox from "puppeteer-core"
 */

/**
 * A profile, whose tabs share their storage.
 *
 * @typedef {{ open: (url: string) => Promise<ChromiumTab | FirefoxTab>, close: () => Promise<unknown> }} Profile
 */

class ChromiumTab {
  /** @param {playwright.Page} page */
  constructor(page) {
    this.page = page;
  }

  /**
   * @param {(argument: any) => any} script
   * @param {unknown} [argument]
   */
  evaluate(script, argument) {
    return this.page.evaluate(script, argument);
  }

  reload() {
    return this.page.reload();
  }

  /** @param {string} path */
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

  /** @param {boolean} offline */
  setOffline(offline) {
    return this.page.context().setOffline(offline);
  }
}

class FirefoxTab {
  /** @param {firefox.Page} page */
  constructor(page) {
    this.page = page;
  }

  /**
   * @param {(argument: any) => any} script
   * @param {unknown} [argument]
   */
  evaluate(script, argument) {
    return this.page.evaluate(script, argument);
  }

  reload() {
    return this.page.reload();
  }

  /** @param {string} path */
  async pickFile(path) {
    const input = /** @type {firefox.ElementHandle<HTMLInputElement> | null} */ (await this.page.$("input"));
    await input?.uploadFile(path);
  }

  /** Kills the whole browser: a single tab's process can't be addressed from outside. */
  async kill() {
    const browser = this.page.browser();
    const disconnected = new Promise((resolve) => browser.once("disconnected", resolve));
    const process = browser.process();
    if (!process) throw new Error("Firefox has no process");
    const exit = once(process, "exit");
    process.kill("SIGKILL");
    await Promise.all([exit, disconnected]);
  }
}

export class Chromium {
  name = "Chromium";
  #browser;

  /** @param {playwright.Browser} browser */
  constructor(browser) {
    this.#browser = browser;
  }

  static async start() {
    return new Chromium(await e2e.startBrowser());
  }

  /**
   * A new profile.
   *
   * @returns {Promise<Profile>}
   */
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

/** @param {string} [userDataDir] */
const launchFirefox = (userDataDir) =>
  puppeteer.launch({
    browser: "firefox",
    executablePath: e2e.findExecutable("firefox-esr", "firefox"),
    extraPrefsFirefox: FIREFOX_PREFERENCES,
    userDataDir,
  });

/**
 * @param {firefox.Browser | firefox.BrowserContext} context
 * @param {string} url
 */
const openFirefoxTab = async (context, url) => {
  const page = await context.newPage();
  await page.goto(url);
  return new FirefoxTab(page);
};

export class Firefox {
  name = "Firefox";
  #browser;

  /** @param {firefox.Browser} browser */
  constructor(browser) {
    this.#browser = browser;
  }

  /** Serializes opening and closing of tabs: Firefox opens a tab beside another, which must not close meanwhile. */
  #queue = /** @type {Promise<unknown>} */ (Promise.resolve());

  static async start() {
    return new Firefox(await launchFirefox());
  }

  /** @returns {Promise<Profile>} */
  async profile() {
    const context = await this.#enqueue(() => this.#browser.createBrowserContext());
    return {
      open: (url) => this.#enqueue(() => openFirefoxTab(context, url)),
      close: () => this.#enqueue(() => context.close()),
    };
  }

  /**
   * @template T
   * @param {() => Promise<T>} operation
   * @returns {Promise<T>}
   */
  #enqueue(operation) {
    const done = this.#queue.then(operation);
    this.#queue = done.catch(() => {});
    return done;
  }

  /**
   * A browser of its own, as killing a tab ends it; opening a page starts it again on the same profile folder.
   *
   * @returns {Promise<Profile>}
   */
  async persistentProfile() {
    const folder = await mkdtemp(join(await e2e.testFolder("profiles"), "firefox-"));
    /** @type {firefox.Browser | undefined} */
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

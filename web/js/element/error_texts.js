// The text for each error code of the edge and of the uploader. Codes with one remedy share a text.

/** @import { Texts } from "./texts.js" */

/** @type {[keyof Texts, string[]][]} */
const GROUPS = [
  ["errorNetwork", ["network", "stalled", "unreachable", "storage_unreachable"]],
  [
    "errorServer",
    [
      ...["unavailable", "throttled", "bad_answer", "storage_unavailable", "auth_unavailable", "catalog_unavailable"],
      ...["transcoder_unavailable", "clocks_differ", "too_many_uploads", "callback_failed"],
    ],
  ],
  ["errorBlocked", ["blocked"]],
  ["errorKind", ["not_a_video", "not_accepted"]],
  ["errorCaptions", ["not_captions"]],
  ["errorUnreadable", ["file_unreadable", "file_changed"]],
  ["errorSize", ["file_too_large", "file_empty", "too_large"]],
  ["errorDuration", ["too_long"]],
  ["errorSignIn", ["unauthorized", "token_unavailable"]],
  ["errorForbidden", ["forbidden"]],
  ["errorStorage", ["no_space", "storage_refused"]],
  ["errorIntegrity", ["checksum_mismatch", "size_mismatch", "parts_missing"]],
  ["errorGone", ["upload_gone", "upload_expired", "bad_upload"]],
  ["errorDailyLimit", ["daily_limit_reached"]],
  ["errorExists", ["video_exists"]],
  ["errorConversion", ["conversion_failed", "conversion_canceled", "transcoder_refused"]],
  ["errorPage", ["not_loaded"]],
  // Faults of the site or of the uploader: nobody before the screen can mend them.
  [
    "errorOther",
    [
      ...["bad_checksum", "bad_json", "bad_part_numbers", "bad_request", "bad_video_id", "body_too_large", "internal"],
      ...["method_not_allowed", "not_found", "video_not_found"],
    ],
  ],
];

/** @type {Map<string, keyof Texts>} */
const KEYS = new Map(GROUPS.flatMap(([key, codes]) => codes.map((code) => [code, key])));

/** Whether a code is in one of the groups. @param {string} code */
export const isKnown = (code) => KEYS.has(code);

/** The key of an error's text. @param {string} code */
export const errorKey = (code) => KEYS.get(code) ?? "errorOther";

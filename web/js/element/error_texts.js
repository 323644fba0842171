// The text for each error code of the edge and of the uploader. Codes with one remedy share a text.

/** @import { Texts } from "./texts.js" */

/** @type {[keyof Texts, string[]][]} */
const GROUPS = [
  ["errorNetwork", ["network", "stalled", "unreachable", "storage_unreachable"]],
  [
    "errorServer",
    [
      ...["unavailable", "throttled", "bad_answer", "storage_unavailable", "auth_unavailable", "catalog_unavailable"],
      ...["transcoder_unavailable", "clocks_differ", "too_many_uploads", "callback_failed", "refused"],
    ],
  ],
  ["errorBlocked", ["blocked"]],
  ["errorKind", ["not_a_video", "not_accepted"]],
  ["errorUnreadable", ["file_unreadable", "file_changed"]],
  ["errorSize", ["file_too_large", "file_empty", "too_large"]],
  ["errorDuration", ["too_long"]],
  ["errorSignIn", ["unauthorized", "token_unavailable"]],
  ["errorForbidden", ["forbidden"]],
  ["errorStorage", ["no_space", "storage_refused"]],
  ["errorIntegrity", ["checksum_mismatch", "size_mismatch", "parts_mismatch", "parts_missing"]],
  ["errorGone", ["upload_gone", "upload_expired", "bad_upload"]],
  ["errorExists", ["video_exists"]],
  ["errorConversion", ["conversion_failed", "conversion_canceled", "transcoder_refused"]],
  ["errorPage", ["not_loaded"]],
];

/** @type {Map<string, keyof Texts>} */
const KEYS = new Map(GROUPS.flatMap(([key, codes]) => codes.map((code) => [code, key])));

/** The key of an error's text. @param {string} code */
export const errorKey = (code) => KEYS.get(code) ?? "errorOther";

/** Pages and pictures: pure functions from results to HTML and SVG. Only Node.js reads the assets. */
export { readResult, type Result } from "./read/result.ts";
export { PlanDocument } from "./read/schemas.ts";
export { matrixView, type MatrixClass, type MatrixView, type Move } from "./view/matrix.ts";
export type { MatrixPart, PoolPart, ReportPart } from "./view/report.ts";
export { renderReport } from "./page/report.tsx";
export { reportPictures, type Picture } from "./svg/pictures.tsx";
export { renderGuide, type GuidePage } from "./page/guide.tsx";
export { assetText } from "./page/assets.ts";
export type { ChangeForm, FleetPage, Listed, SnapshotRow } from "./fleet/data.ts";
export { OUTCOME } from "./fleet/data.ts";
export { renderFleetPage, type FleetAssets } from "./fleet/page.tsx";

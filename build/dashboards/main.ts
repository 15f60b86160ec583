/** `npm run dashboards`: writes `dashboards/` from its sources. */
import { writeDashboards } from './write.ts'

await writeDashboards()

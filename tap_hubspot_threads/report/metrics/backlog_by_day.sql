-- Backlog by day
-- Threads that were open at the end of each day, from the first thread to the newest data; the
-- newest day is not over yet. A thread is open from `createdAt` on, while it is not closed, and
-- again after it was reopened. Threads that are archived, spam or without `createdAt` now are
-- left out of all days, because HubSpot does not say since when.
WITH place (zone) AS (
    -- The time zone in which days end.
    VALUES ('UTC')
),
shown AS (
    SELECT id, status, "createdAt", "closedAt", "latestMessageTimestamp"
    FROM threads
    WHERE archived IS NOT TRUE AND spam IS NOT TRUE AND "createdAt" IS NOT NULL
),
states AS (
    -- `step` orders what happens in one moment: a closing is last.
    SELECT id AS thread, "createdAt" AS since, 1 AS is_open, 0 AS step
    FROM shown
    UNION ALL
    SELECT
        messages."conversationsThreadId",
        messages."createdAt",
        CASE messages."newStatus" WHEN 'OPEN' THEN 1 ELSE 0 END,
        CASE messages."newStatus" WHEN 'OPEN' THEN 1 ELSE 2 END
    FROM messages
    JOIN shown ON shown.id = messages."conversationsThreadId"
    WHERE messages.type = 'THREAD_STATUS_CHANGE'
    UNION ALL
    -- The event of the last closing may not be loaded yet.
    SELECT id, "closedAt", 0, 2
    FROM shown
    WHERE status = 'CLOSED' AND "closedAt" IS NOT NULL
),
changes AS (
    SELECT
        since,
        is_open
        - COALESCE(LAG(is_open) OVER (PARTITION BY thread ORDER BY since, step), 0) AS change
    FROM states
),
daily AS (
    SELECT
        CAST(changes.since AT TIME ZONE 'UTC' AT TIME ZONE place.zone AS DATE) AS day,
        SUM(changes.change) AS change
    FROM changes
    CROSS JOIN place
    GROUP BY 1
),
extent AS (
    SELECT
        CAST(MIN(moment) AT TIME ZONE 'UTC' AT TIME ZONE MAX(place.zone) AS DATE) AS first_day,
        CAST(MAX(moment) AT TIME ZONE 'UTC' AT TIME ZONE MAX(place.zone) AS DATE) AS last_day
    FROM (
        SELECT since AS moment FROM states
        UNION ALL
        SELECT "latestMessageTimestamp" FROM shown
    ) AS moments
    CROSS JOIN place
),
digits (digit) AS (
    VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)
),
days AS (
    SELECT extent.first_day + n.number AS day
    FROM extent
    JOIN (
        SELECT a.digit + 10 * b.digit + 100 * c.digit + 1000 * d.digit AS number
        FROM digits AS a CROSS JOIN digits AS b CROSS JOIN digits AS c CROSS JOIN digits AS d
    ) AS n ON n.number <= extent.last_day - extent.first_day
)
SELECT
    days.day,
    CAST(SUM(COALESCE(daily.change, 0)) OVER (ORDER BY days.day) AS BIGINT) AS open_threads
FROM days
LEFT JOIN daily ON daily.day = days.day
ORDER BY days.day;

-- Backlog by day
-- Threads that were open at the end of each day, from the first thread to the newest beginning,
-- closing or reopening; that day may not be over yet. A thread is open from `createdAt` on, while
-- it is not closed, and again after it was reopened. Threads that are archived or spam now are
-- left out of all days, because HubSpot does not say since when. So are threads without
-- `createdAt`, and closed ones for which neither `closedAt` nor an event says since when.
WITH place (zone) AS (
    -- The time zone in which days end.
    VALUES ('UTC')
),
shown AS (
    SELECT id, status, "createdAt", "closedAt"
    FROM threads
    WHERE archived IS NOT TRUE
        AND spam IS NOT TRUE
        AND "createdAt" IS NOT NULL
        AND (
            status IS DISTINCT FROM 'CLOSED'
            OR "closedAt" IS NOT NULL
            OR id IN (
                SELECT "conversationsThreadId"
                FROM messages
                WHERE type = 'THREAD_STATUS_CHANGE' AND "newStatus" = 'CLOSED'
            )
        )
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
        AND messages."newStatus" IN ('OPEN', 'CLOSED')
        AND messages."createdAt" >= shown."createdAt"
    UNION ALL
    -- The event of the last closing may not be loaded.
    SELECT id, GREATEST("closedAt", "createdAt"), 0, 2
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
        -- The epoch is the same with and without a time zone, and in every session.
        CAST(
            TO_TIMESTAMP(EXTRACT(EPOCH FROM changes.since)) AT TIME ZONE place.zone AS DATE
        ) AS day,
        SUM(changes.change) AS change
    FROM changes
    CROSS JOIN place
    GROUP BY 1
),
extent AS (
    SELECT MIN(day) AS first_day, MAX(day) AS last_day
    FROM daily
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
    CAST(SUM(daily.change) OVER (ORDER BY days.day) AS BIGINT) AS open_threads
FROM days
LEFT JOIN daily ON daily.day = days.day
ORDER BY days.day;

-- Waiting now
-- Open threads whose last MESSAGE is from the contact, longest wait first. The wait begins with
-- the contact's first message that nothing was sent after, in UTC, and lasts until now, not
-- until the last load. A message of a bot or an application ends it as well, and so does INCOMING
-- mail of a colleague (A-); welcome messages and comments do not. An assignee who is a customer
-- (E- or V-) is `a contact`, because the ID can be an address. Threads that are archived, spam or
-- not in `threads` are left out.
WITH said AS (
    SELECT
        "conversationsThreadId" AS thread,
        "createdAt" AS moment,
        CASE
            WHEN direction = 'INCOMING'
                AND LEFT(COALESCE("createdBy", ''), 2) NOT IN ('A-', 'B-', 'L-')
                THEN 1
            ELSE 0
        END AS is_contact
    FROM messages
    WHERE type = 'MESSAGE' AND direction IN ('INCOMING', 'OUTGOING')
),
lasts AS (
    SELECT thread, MAX(CASE is_contact WHEN 0 THEN moment END) AS moment
    FROM said
    GROUP BY thread
),
waits AS (
    SELECT said.thread, MIN(said.moment) AS since
    FROM said
    JOIN lasts ON lasts.thread = said.thread
    WHERE lasts.moment IS NULL OR said.moment > lasts.moment
    GROUP BY said.thread
)
SELECT
    threads.id AS thread,
    COALESCE(inboxes.name, threads."inboxId", 'unknown') AS inbox,
    CASE
        WHEN LEFT(threads."assignedTo", 2) IN ('E-', 'V-') THEN 'a contact'
        ELSE COALESCE(NULLIF(actors.name, ''), threads."assignedTo", 'nobody')
    END AS assigned_to,
    -- The epoch is the same with and without a time zone, and in every session.
    TO_TIMESTAMP(EXTRACT(EPOCH FROM waits.since)) AT TIME ZONE 'UTC' AS waiting_since,
    -- Mail can be dated in the future.
    CAST(
        GREATEST(
            EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) - EXTRACT(EPOCH FROM waits.since), 0
        ) / 3600 AS DOUBLE PRECISION
    ) AS hours
FROM waits
JOIN threads ON threads.id = waits.thread
LEFT JOIN inboxes ON inboxes.id = threads."inboxId"
LEFT JOIN actors ON actors.id = threads."assignedTo"
WHERE threads.status = 'OPEN' AND threads.archived IS NOT TRUE AND threads.spam IS NOT TRUE
ORDER BY waits.since, threads.id;
